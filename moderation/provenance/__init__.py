"""What every released picture carries: a watermark in its pixels, content credentials in its file."""
