"""Pages that anybody may read, rendered here: the models on sale, and a page for each."""
