"""The last cases: what the others have used and seen is all there is."""

from google.appengine.api import taskqueue

import errors
import members
from harness import case, raised, used_members


@case
def members_are_listed():
    """coverage: the list of members is what the SDK has"""
    assert members.listed() == members.present(), members.listed() ^ members.present()
    assert members.STATISTICS_ATTRIBUTES.split() == sorted(taskqueue.QueueStatistics._ATTRS)


@case
def members_are_used():
    """coverage: every member of the list was used by a case"""
    assert members.listed() - used_members == set(), sorted(members.listed() - used_members)


@case
def errors_are_listed():
    """coverage: every class of error is listed with where it comes from"""
    listed = errors.SERVER | errors.CLIENT | set(errors.NEVER)
    assert listed == errors.present(), listed ^ errors.present()


@case
def errors_are_raised():
    """coverage: every class of error was raised from where it is listed"""
    for side, listed in (("server", errors.SERVER), ("client", errors.CLIENT)):
        seen = raised[side] & errors.present()
        assert seen == listed, (side, sorted(seen ^ listed))
