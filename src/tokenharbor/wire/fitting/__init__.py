"""Adaptation of requests and answers to vendors' narrower limits: ids, schemas, efforts, media, stop sequences."""
