"""Recognition of prompts that ask the same in other words: reading, guards, embedding, verification."""
