"""Pools that ask Sentinels: three real ones, a master and two replicas, all to be mistreated."""
