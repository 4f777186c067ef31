"""Functions of other projects, under their names and with their arguments.

Each has two ways to work. By default its data keeps turnmill's contract: every trained turn ends.
With ``compat=True`` it is equal to the original, bit by bit, faults included.
"""
