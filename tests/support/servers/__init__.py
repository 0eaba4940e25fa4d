"""Buses, brokers, disks and child processes, as tests start, alter and read them."""
