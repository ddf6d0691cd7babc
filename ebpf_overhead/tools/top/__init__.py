"""All BPF programs loaded on this machine, and their cost.

objects -> attachments, holders -> inventory -> monitor -> usage -> record | text
                       left_out -> dispatch ---------------^
"""
