"""What a probe costs a command of the user's: time, CPU time, and a number that it prints.

Knows neither the command line nor the studies.
"""
