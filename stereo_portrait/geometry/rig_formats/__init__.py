"""One file per format that a rig can be written in; `rig_file` chooses among them."""
