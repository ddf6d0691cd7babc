"""What a whole tool costs the work beside it: started and stopped, in rounds.

minder -> starting -> presence -> rounds -> answer -> rows, record -> text
              segments, counting ---^
"""
