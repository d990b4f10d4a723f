from project.settings import *  # noqa: F403
from project.settings import BASE_DIR, INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "tests.browser.ui_site"]
# Its styles are made by its scripts, which the demo's strict policy forbids.
MIDDLEWARE = [name for name in MIDDLEWARE if "ContentSecurityPolicy" not in name]
STATICFILES_DIRS = [("admin-ui", BASE_DIR / "node_modules/@socket.io/admin-ui/ui/dist")]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
