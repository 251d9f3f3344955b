"""Access to the disk, to git and to other processes: objects, YAML, schemas, signatures and keys."""
