"""What the query string says about a list: search, filters, order and page. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.core.paginator import Paginator

from ...operations.paging import MAX_ROWS

SEARCH, ORDER, PAGE = "q", "o", "p"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; `order` is the name to order by, for those that can be ordered by.

    The title is in English, marked by gettext_noop, and translated where it is shown.
    """

    #: What the cells' class ends in: "field-members".
    name: str
    title: str
    order: str = ""


@dataclass(frozen=True, kw_only=True)
class Header:
    """A column as it stands at the head of the table."""

    name: str
    title: str
    url: str = ""
    direction: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    display: str
    url: str
    selected: bool


@dataclass(frozen=True, kw_only=True)
class Filter:
    title: str
    choices: tuple[Choice, ...]


@dataclass(kw_only=True)
class Listing:
    """A list as the query string asks for it. Invalid parts of the query string are ignored."""

    params: Mapping[str, str]
    columns: Sequence[Column]
    order: str
    per_page: int
    #: Further parameters that the links keep: filters, and what the page is about.
    kept: Sequence[str] = ()
    total: int = 0
    filters: list[Filter] = field(default_factory=list)

    def __post_init__(self) -> None:
        wanted = self.params.get(ORDER, "")
        if wanted.removeprefix("-") in {column.order for column in self.columns} - {""}:
            self.order = wanted
        # A page can't be longer than what can be asked for.
        self.per_page = min(self.per_page, MAX_ROWS)

    @property
    def search(self) -> str:
        return self.params.get(SEARCH, "").strip()

    @property
    def page(self) -> int:
        text = self.params.get(PAGE, "")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
        return max(1, min(number, MAX_ROWS // self.per_page))

    @property
    def last_page(self) -> int:
        return self.paginator.num_pages

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page

    @property
    def is_past_the_end(self) -> bool:
        return self.page > self.last_page

    @property
    def is_cut(self) -> bool:
        """Whether there are rows that no page shows."""
        return self.total > self.per_page * self.last_page

    @property
    def paginator(self) -> "Paginator[int]":
        shown = min(self.total, MAX_ROWS // self.per_page * self.per_page)
        return Paginator(range(shown), self.per_page)

    @property
    def pages(self) -> list[tuple[str, str]]:
        """Numbers with their links; the page itself and the gaps have none."""
        if self.last_page == 1:
            return []
        return [
            (str(number), self._page_link(number))
            for number in self.paginator.get_elided_page_range(min(self.page, self.last_page))
        ]

    def _page_link(self, number: int | str) -> str:
        is_link = isinstance(number, int) and number != self.page
        return self.link(**{PAGE: str(number)}) if is_link else ""

    @property
    def headers(self) -> list[Header]:
        return [self._header(column) for column in self.columns]

    def _header(self, column: Column) -> Header:
        if not column.order:
            return Header(name=column.name, title=column.title)
        field_name = self.order.removeprefix("-")
        if field_name != column.order:
            url = self.link(**{ORDER: column.order, PAGE: ""})
            return Header(name=column.name, title=column.title, url=url)
        descends = self.order.startswith("-")
        return Header(
            name=column.name,
            title=column.title,
            url=self.link(**{ORDER: column.order if descends else f"-{column.order}", PAGE: ""}),
            direction="descending" if descends else "ascending",
        )

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What the search form carries along."""
        return [
            (name, value) for name in (*self.kept, ORDER) if (value := self.params.get(name, ""))
        ]

    @property
    def query(self) -> str:
        """The query string of the list as it is."""
        return self.link()

    def link(self, **changes: str) -> str:
        """This query string with some parameters changed; those made empty are left out."""
        names = (*self.kept, SEARCH, ORDER, PAGE)
        values = {name: self.params.get(name, "") for name in names} | changes
        return "?" + urlencode({name: value for name, value in values.items() if value})

    def filter(self, title: str, name: str, options: Mapping[str, str]) -> None:
        """Add a filter: {value: what people read}; the value "" is for all."""
        chosen = self.params.get(name, "")
        if chosen and chosen not in options:
            options = {**options, chosen: chosen}
        choices = (
            Choice(
                display=display,
                url=self.link(**{name: value, PAGE: ""}),
                selected=value == chosen,
            )
            for value, display in options.items()
        )
        self.filters.append(Filter(title=title, choices=tuple(choices)))
