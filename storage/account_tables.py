"""Tables of staff accounts: log-ins.

The accounts themselves are in `models.py`.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from models import instant_column


class StaffLogIn(SQLModel, table=True):
    """One log-in. Its token or cookie is valid as long as the row is there and has not expired."""

    __tablename__ = "staff_log_in"
    __table_args__ = (Index("staff_log_in_age", "expires_at"),)

    log_in_id: str = Field(primary_key=True, max_length=40)
    staff_id: int = Field(foreign_key="staff.id", index=True)
    begun_at: datetime = Field(sa_column=instant_column())
    expires_at: datetime = Field(sa_column=instant_column())
    address: str = Field(max_length=45)
