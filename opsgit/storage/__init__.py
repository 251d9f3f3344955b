"""Git, YAML, schemas, signatures and keys: everything that touches a disk or a process."""
