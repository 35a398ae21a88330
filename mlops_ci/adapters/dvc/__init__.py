"""DVC: pipelines reproduced, data fetched, checksums read."""
