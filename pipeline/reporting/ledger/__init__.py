"""Out-of-fold against public, over all uploads."""
