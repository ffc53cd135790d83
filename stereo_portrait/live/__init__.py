"""The live runner: a stream of frames goes in, pictures with depth of field come out at video rate.

Four stages in threads, capture | depth | render | show, joined by slots that hold one frame, the newest.
"""
