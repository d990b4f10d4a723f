import pytest

from tests.follower import PASSWORD
from tests.recipes.programs import ask, is_refused_with_a_wrong_password, three_programs
from tests.recipes.recipe import Recipe

pytestmark = pytest.mark.node

TEA = {"id": 1, "title": "Tea", "paid": False}


def test_devices_of_a_user_hear_what_the_api_saves_until_the_token_is_gone(recipe: Recipe) -> None:
    with three_programs(recipe) as (ada, phone, bob):
        _, login = ask(recipe, "/api/token/", {"username": "ada", "password": PASSWORD})
        mine = {"Authorization": f"Token {login['token']}"}
        by_phone = {**mine, "X-Realtime-Sids": phone.sid}
        assert ask(recipe, "/api/orders/", {"title": "Tea"}, **by_phone) == (201, TEA)
        ada.waits_for('order:created {"id":1,"title":"Tea","paid":false}')
        ask(recipe, "/api/orders/1/", {"paid": True}, method="PATCH", **mine)
        for device in (ada, phone):
            device.waits_for('order:updated {"id":1,"title":"Tea","paid":true}')
        ask(recipe, "/api/orders/1/", {}, method="DELETE", **mine)
        for device in (ada, phone):
            device.waits_for('order:deleted {"id":1}')
        assert ask(recipe, "/api/orders/", {"title": ""}, **mine)[0] == 400
        recipe.visitor("ada").post("/admin/authtoken/tokenproxy/1/delete/", post="yes")
        for device in (ada, phone):
            device.waits_for("disconnected: transport close")
            device.waits_for("refused: Invalid token. invalid_token")
        assert ask(recipe, "/api/orders/", {"title": "Tea"}, **mine)[0] == 401
        assert [len(device.printed) for device in (ada, phone, bob)] == [6, 5, 1]


def test_wrong_password_is_refused(recipe: Recipe) -> None:
    is_refused_with_a_wrong_password(recipe)
