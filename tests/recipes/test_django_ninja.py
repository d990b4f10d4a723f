import pytest

from tests.follower import PASSWORD
from tests.recipes.programs import ask, is_refused_with_a_wrong_password, three_programs
from tests.recipes.recipe import Recipe

pytestmark = pytest.mark.node


def test_devices_of_a_user_hear_what_the_api_saves(recipe: Recipe) -> None:
    with three_programs(recipe) as (ada, phone, bob):
        _, login = ask(recipe, "/api/token", {"username": "ada", "password": PASSWORD})
        mine = {"Authorization": f"Bearer {login['token']}"}
        by_phone = {**mine, "X-Realtime-Sids": phone.sid}
        tea = {"title": "Tea", "id": 1, "paid": False}
        assert ask(recipe, "/api/orders", {"title": "Tea"}, **by_phone) == (201, tea)
        ada.waits_for('order:created {"title":"Tea","id":1,"paid":false}')
        assert ask(recipe, "/api/orders", {"name": "Tea"}, **mine)[0] == 422
        assert ask(recipe, "/api/orders", {"title": "T" * 101}, **mine)[0] == 422
        assert ask(recipe, "/api/orders", {"title": "Cake"}, **mine)[0] == 201
        for device in (ada, phone):
            device.waits_for('order:created {"title":"Cake","id":2,"paid":false}')
        assert [len(device.printed) for device in (ada, phone, bob)] == [3, 2, 1]


def test_no_token_or_a_wrong_one_is_refused(recipe: Recipe) -> None:
    assert ask(recipe, "/api/orders", {"title": "Tea"})[0] == 401
    forged = {"Authorization": "Bearer rt1.forged"}
    refused = ask(recipe, "/api/orders", {"title": "Tea"}, **forged)
    assert refused == (401, {"detail": "Invalid token."})
    is_refused_with_a_wrong_password(recipe)
