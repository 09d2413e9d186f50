"""Addresses below /v1/organization that governance answers; billing has its own."""

from django.urls import path

from governance.api.organization import audit_logs, people, projects

urlpatterns = [
    path("users", people.Users.as_view(), name="org-users"),
    path("users/<uuid:user_id>", people.User.as_view(), name="org-user"),
    path("invites", people.Invites.as_view(), name="org-invites"),
    path("invites/<uuid:invite_id>", people.Invite.as_view(), name="org-invite"),
    path("projects", projects.Projects.as_view(), name="org-projects"),
    path("projects/<uuid:project_id>", projects.Project.as_view(), name="org-project"),
    path(
        "projects/<uuid:project_id>/archive",
        projects.ProjectArchive.as_view(),
        name="org-project-archive",
    ),
    path(
        "projects/<uuid:project_id>/api_keys",
        projects.ProjectKeys.as_view(),
        name="org-project-keys",
    ),
    path(
        "projects/<uuid:project_id>/api_keys/<uuid:key_id>",
        projects.ProjectKey.as_view(),
        name="org-project-key",
    ),
    path("audit_logs", audit_logs.AuditLogs.as_view(), name="org-audit-logs"),
]
