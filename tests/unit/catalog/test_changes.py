from hypothesis import given
from hypothesis import strategies as st

from bannerstream.catalog.loader import changes
from bannerstream.contracts.catalog import Product, with_rev


def product(name: str, title: str) -> Product:
    return with_rev(Product(product_id=name, title=title, category="kitchen", cohorts={"home": 1.0}))


tables = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["one", "two"])).map(
    lambda rows: {name: product(name, title) for name, title in rows.items()}
)


@given(wanted=tables, there=tables, prune=st.booleans())
def test_applying_the_changes_gives_what_is_wanted(
    wanted: dict[str, Product], there: dict[str, Product], prune: bool
) -> None:
    found = changes(wanted, there, prune=prune)
    after = there | {name: wanted[name] for name in found.published}
    for name in found.removed:
        del after[name]
    assert after == (wanted if prune else there | wanted)
    again = changes(wanted, after, prune=prune)
    assert again.published == again.removed == ()
    assert all(wanted[name] == there[name] for name in found.unchanged)
