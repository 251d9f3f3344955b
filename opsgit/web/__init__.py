"""The site, served live on this machine: `opsgit serve`."""
