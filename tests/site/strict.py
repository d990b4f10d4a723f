"""The demo site's settings with the strictest policy that an admin page has to live with."""

from project.settings import *  # noqa: F403
from project.settings import MIDDLEWARE

# After the demo's own, whose policy gives way to one that is there.
MIDDLEWARE = [*MIDDLEWARE, "tests.site.middleware.StrictPolicyMiddleware"]
