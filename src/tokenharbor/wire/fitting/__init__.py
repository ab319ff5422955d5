"""What is made fit for a vendor that takes less than the caller sent: ids, schemas, efforts, media, stop sequences."""
