"""Labelled face images: loaders, rendered faces, batches and conditions."""
