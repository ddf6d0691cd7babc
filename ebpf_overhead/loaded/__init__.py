"""The BPF programs that are loaded on this machine, by whomever, and what they cost.

objects -> attachments, holders -> inventory -> monitor -> usage -> record | text
                       left_out -> dispatch ---------------^
"""
