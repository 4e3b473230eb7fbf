"""FLoRG's fixed matrices L and R."""
