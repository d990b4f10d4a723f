import pytest

from tests.documents import ROOT
from tests.follower import PASSWORD
from tests.live.test_javascript import finish, script
from tests.recipes.recipe import SCRIPTS, Recipe

pytestmark = pytest.mark.node

NEW_PASSWORD = """
from django.contrib.auth.models import User

user = User.objects.get(username="ada")
user.set_password("another one")
user.save()
"""


def test_token_is_renewed_until_the_password_changes(recipe: Recipe) -> None:
    recipe.stop()
    path = recipe.folder / "hello" / "phone.py"
    code = path.read_text()
    # A phone that knows of one second renews it long before the site ends it.
    for printed, short in (("AGE = 60 * 60", "AGE = 3"), ('"age": AGE', '"age": 1')):
        assert printed in code
        code = code.replace(printed, short)
    path.write_text(code)
    recipe.start(["python manage.py runserver"])
    folder = recipe.folder / "phone"
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    module = {"MODULE": str(folder / "connection.js"), "PASSWORD": PASSWORD}
    with script("mobile", recipe, scripts=SCRIPTS, **module) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        assert printed == "here\n", printed + process.stdout.read()
        recipe.shell(NEW_PASSWORD)
        finish(process)
