"""Ends with 0 where HEALTH_URL answers 200 within HEALTH_SECONDS; HEALTH_CA is the authority to trust behind https."""

import os
import ssl
import sys
import urllib.request

authority = os.environ.get("HEALTH_CA")
context = ssl.create_default_context(cafile=authority) if authority else None
# No proxy: the address is the container's own loopback.
handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
seconds = float(os.environ.get("HEALTH_SECONDS", "4"))  # a little less than the container's own limit
try:
    status = urllib.request.build_opener(*handlers).open(os.environ["HEALTH_URL"], timeout=seconds).status
except OSError as error:
    sys.exit(f"{os.environ['HEALTH_URL']}: {error}")
sys.exit(status != 200)
