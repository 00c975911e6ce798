"""Publishers are killed and paused, over and over, while readers read: what do readers see?

``python -m trials.kill --kills 1000`` forks publishers from a warm parent and ends them with SIGKILL: between any two
steps, and after any byte that they send to Redis or receive from it.  After each, the partition is loaded again by
another publisher, and the janitor tidies up.  Now and then one is paused instead, until its successor has published,
and must be refused when it wakes up.  All the while readers look at entities that every generation holds.  Every
prediction of a generation is the number of its publisher, so that a mixture shows in a single read.
"""
