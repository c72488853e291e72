"""The API's lists, page by page, and what is near what: items, users, what a user did and what was made for them."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field

from persona.errors import NotFound
from persona.recommend.entries import Kind, UserCatalogue
from persona.recommend.list_types import (
    EventPage,
    GenerationPage,
    ItemPage,
    ListedItem,
    MadeGarment,
    SimilarItems,
    SimilarUsers,
    UserPage,
)
from persona.recommend.pushed import pushed_catalogue
from persona.recommend.similar import listed
from persona.recommend.types import picture_url
from persona.serve import strict
from persona.serve.answers import as_json
from persona.serve.api import UserPath
from persona.serve.service import service
from persona.store.records import Category, Identifier, Record

strict.register()
lists = APIBlueprint("lists", __name__, url_prefix="/v1", tag="Lists")


class ItemPath(Record):
    """Names an item."""

    item_id: Identifier = Field(description="of the catalogue", examples=["demo-0007"])


class PageQuery(Record):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=200, description="of one page, at most")
    cursor: str | None = Field(
        default=None, max_length=512, description="`next` of the page before; left out: the first page"
    )


class KindQuery(Record):
    """Which part of a catalogue."""

    kind: Kind | None = Field(default=None, description="only entries of this kind; left out: all")


class SimilarQuery(Record):
    """How many neighbours."""

    count: int = Field(default=12, ge=1, le=100, description="at most")


class SimilarItemsQuery(SimilarQuery):
    """How many neighbours, and which."""

    category: Category | None = Field(default=None, description="only this one; left out: any")


@lists.get("/items")
@lists.input(PageQuery, location="query", arg_name="page")
@lists.output(ItemPage, description="a page of the catalogue")
def list_items(page: PageQuery) -> Response:
    """The catalogue's garments, page by page"""
    found = service().recommender.store.item_page(page.limit, page.cursor)
    return as_json(ItemPage(items=tuple(map(listed, found.rows)), next=found.next))


@lists.get("/items/<item_id>")
@lists.input(ItemPath, location="path", arg_name="path")
@lists.output(ListedItem, description="the item")
def get_item(item_id: str, path: ItemPath) -> Response:
    """A garment of the catalogue"""
    item = service().recommender.store.get_item(item_id)
    if item.domain != "garment":  # looks and styles can be somebody's own
        raise NotFound(f"item {item_id!r} is no garment of the catalogue")
    return as_json(listed(item))


@lists.get("/items/<item_id>/similar")
@lists.input(ItemPath, location="path", arg_name="path")
@lists.input(SimilarItemsQuery, location="query", arg_name="wanted")
@lists.output(SimilarItems, description="its neighbours")
def similar_items(item_id: str, path: ItemPath, wanted: SimilarItemsQuery) -> Response:
    """Garments that are like one, whoever asks

    Nearest by the taste model's item vectors: how they look and what they are, and what was liked together.
    """
    return as_json(service().recommender.similar_items(item_id, wanted.count, wanted.category))


@lists.get("/users")
@lists.input(PageQuery, location="query", arg_name="page")
@lists.output(UserPage, description="a page of the users")
def list_users(page: PageQuery) -> Response:
    """The stored users, page by page"""
    found = service().recommender.store.user_page(page.limit, page.cursor)
    return as_json(UserPage(users=tuple(found.rows), next=found.next))


@lists.get("/users/<user_id>/similar")
@lists.input(UserPath, location="path", arg_name="path")
@lists.input(SimilarQuery, location="query", arg_name="wanted")
@lists.output(SimilarUsers, description="their neighbours")
def similar_users(user_id: str, path: UserPath, wanted: SimilarQuery) -> Response:
    """Users whose taste is like one's

    For analysis. Only users who allowed `analytics` are found, or asked for; no one who refused personalisation, and no
    children. Whose taste was never read, since nothing was recommended to them, is not compared.
    """
    return as_json(service().recommender.similar_users(user_id, wanted.count))


@lists.get("/users/<user_id>/events")
@lists.input(UserPath, location="path", arg_name="path")
@lists.input(PageQuery, location="query", arg_name="page")
@lists.output(EventPage, description="a page of what the user did")
def list_events(user_id: str, path: UserPath, page: PageQuery) -> Response:
    """What a user did, newest first, page by page"""
    store = service().recommender.store
    store.get_user(user_id)
    found = store.event_page(user_id, page.limit, page.cursor)
    return as_json(EventPage(events=tuple(found.rows), next=found.next))


@lists.get("/users/<user_id>/generations")
@lists.input(UserPath, location="path", arg_name="path")
@lists.input(PageQuery, location="query", arg_name="page")
@lists.output(GenerationPage, description="a page of what was made for the user")
def list_generations(user_id: str, path: UserPath, page: PageQuery) -> Response:
    """The garments and outfits made for a user, newest first, page by page"""
    store = service().recommender.store
    store.get_user(user_id)
    found = store.generation_page(user_id, page.limit, page.cursor)
    made = tuple(MadeGarment(**dict(one), url=picture_url(one.picture)) for one in found.rows)
    return as_json(GenerationPage(generations=made, next=found.next))


@lists.get("/users/<user_id>/catalogue")
@lists.input(UserPath, location="path", arg_name="path")
@lists.input(KindQuery, location="query", arg_name="wanted")
@lists.output(UserCatalogue, description="the catalogue")
def user_catalogue(user_id: str, path: UserPath, wanted: KindQuery) -> Response:
    """The catalogue that the last batch made for a user

    Nothing is computed: it is as it was pushed, without what the user refused since and what is no longer to be had.
    There is none for a user who refuses personalisation.
    """
    return as_json(pushed_catalogue(service().recommender, user_id, wanted.kind))
