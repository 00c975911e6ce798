"""Production's users: those of Airflow's FAB auth manager, whom a job's ``approvers`` name as they log in.

Airflow asks whether a user's id is among those who may answer.  FAB's ids are numbers of its database, which no
declaration of a job can know; those of the SimpleAuthManager are names already.
"""

from __future__ import annotations

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.auth_manager.models import User


class NamedFabAuthManager(FabAuthManager):
    """FAB's auth manager, but for who may answer.

    Airflow looks for ``FabAuthManager`` in the name of the class when it syncs the permissions of DAGs.
    """

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: User) -> bool:
        """Whether the user's name is among those who may answer.  Ids do not count: a name may look like one."""
        return user.get_name() in assigned_users
