"""Sums of which the server learns nothing but the result: Bonawitz et al., CCS 2017, double masking with dropouts.

Practical Secure Aggregation for Privacy-Preserving Machine Learning. Four steps a round: every client sends fresh
public keys; it deals shares of its two secrets to the others, sealed; it uploads its fixed-point summand under one mask
of its own and one with each other client; those who are left reveal the shares by which the server takes the masks of
the sum away. Everything here is a function of bytes and arrays; `strategies.server.secure_round` has the messages.
"""
