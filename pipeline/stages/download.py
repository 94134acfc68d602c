"""nothing -> raw."""
READS = ()
def is_current(job):
    return job.raw_folder() is not None or (job.store.prepared / "prepared.json").exists()
