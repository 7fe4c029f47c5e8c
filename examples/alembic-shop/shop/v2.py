"""The second release: writes `full_name` only, and reads `name` where a row has no `full_name` yet.

It lives beside v1. What it writes v1 finds in `name`, by the trigger of the schema change.
"""

from datetime import datetime

from sqlalchemy import FetchedValue, ForeignKey, String, func, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shop.database import sessions
from shop.web import app_of


class Base(DeclarativeBase):
    """The tables of this release."""


class Customer(Base):
    """Somebody who buys."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), server_default=FetchedValue())  # the trigger fills it
    full_name: Mapped[str | None]
    joined: Mapped[datetime] = mapped_column(server_default=func.now())


class Order(Base):
    """Something bought."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    item: Mapped[str]
    cents: Mapped[int]


NAME = func.coalesce(Customer.full_name, Customer.name)


class Desk:
    """This release's statements."""

    revision = "v2"
    longest_name = 200

    def __init__(self) -> None:
        self._sessions = sessions(self.revision)

    def add(self, name: str) -> int:
        with self._sessions.begin() as session:
            customer = Customer(full_name=name)
            session.add(customer)
            session.flush()
            return customer.id

    def rename(self, customer: int, name: str) -> bool:
        wish = update(Customer).where(Customer.id == customer).values(full_name=name)
        with self._sessions.begin() as session:
            return session.execute(wish.returning(Customer.id)).scalar() is not None

    def name_of(self, customer: int) -> str | None:
        with self._sessions() as session:
            return session.scalar(select(NAME).where(Customer.id == customer))

    def newest(self) -> list[str]:
        with self._sessions() as session:
            return list(session.scalars(select(NAME).order_by(Customer.id.desc()).limit(10)))

    def order(self, customer: int, item: str, cents: int) -> int:
        with self._sessions.begin() as session:
            made = Order(customer_id=customer, item=item, cents=cents)
            session.add(made)
            session.flush()
            return made.id

    def spent(self, customer: int) -> int:
        wish = select(func.coalesce(func.sum(Order.cents), 0)).where(Order.customer_id == customer)
        with self._sessions() as session:
            return session.scalar(wish) or 0


app = app_of(Desk())
