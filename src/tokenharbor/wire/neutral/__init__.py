"""The neutral conversation: what requests and answers mean whatever their dialect, and what every dialect fulfils."""
