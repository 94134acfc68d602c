"""Our scores against those of MLE-bench's graders, on submissions that are drawn."""
