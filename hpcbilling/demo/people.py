"""Who can log in to the demo, and which projects they belong to."""

from dataclasses import dataclass
from typing import Literal

from hpcbilling import roles


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in the demo. The user name is the Slurm user name; no password, no login."""

    username: str
    first_name: str
    last_name: str
    note: str = ""
    password: str = ""
    role: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Project:
    """A project: its Slurm account, who leads it and who works in it, and who is billed."""

    code: str
    name: str
    department: str
    tier: str
    pi: str
    members: tuple[str, ...] = ()
    billing_name: str = ""
    tax_id: str = ""
    po_number: str = ""
    cost_centre: str = ""


Tier = Literal["mu", "gov", "private", ""]

PEOPLE = (
    Person("admin", "Ada", "Min", "administrator: everything", "admin-demo", roles.ADMIN),
    Person("clerk", "Chanida", "Srisuk", "finance: the console", "clerk-demo", roles.FINANCE),
    Person("clerk2", "Thanit", "Boonmee", "finance: a second clerk", "clerk2-demo", roles.FINANCE),
    Person("suda", "Suda", "Rattanakul", "PI of the project pi_suda", "suda-demo"),
    Person("somchai", "Somchai", "Jaidee", "member of pi_suda", "somchai-demo"),
    Person("auditor", "Orawan", "Thong", "auditor: reads all", "auditor-demo", roles.AUDITOR),
    Person(
        "operator", "Prayut", "Kaew", "operator: clusters and imports", "operator-demo",
        roles.OPERATOR,
    ),
    Person("niran", "Niran", "Saetang", "PI of pi_niran", "niran-demo", language="th"),
    Person("wichai", "Wichai", "Limsakul"),
    Person("apinya", "Apinya", "Wong"),
    Person("darin", "Darin", "Charoen"),
    Person("kamon", "Kamon", "Phrom"),
    Person("malee", "Malee", "Suwan"),
    Person("anan", "Anan", "Chaiyo"),
    Person("kanya", "Kanya", "Inta"),
    Person("prasert", "Prasert", "Dee"),
)  # fmt: skip

DEPARTMENTS = {
    "SC": "Faculty of Science",
    "EG": "Faculty of Engineering",
    "MT": "Faculty of Medical Technology",
    "EXT": "External partners",
}

PROJECTS = (
    Project(
        "pi_suda", "Rice genomics", "SC", "mu", "suda", ("somchai", "malee", "prasert"),
        "Genomics Laboratory, Faculty of Science", cost_centre="SC-4410",
    ),
    Project(
        "pi_niran", "Climate of the Gulf of Thailand", "SC", "mu", "niran", ("anan", "prasert"),
        "Climate Research Unit", cost_centre="SC-4730", po_number="PO-2569-118",
    ),
    Project(
        "pi_wichai", "Computational fluid dynamics", "EG", "mu", "wichai", ("kanya", "prasert"),
        "Department of Mechanical Engineering", cost_centre="EG-2201", po_number="PO-2569-093",
    ),
    Project(
        "pi_apinya", "Protein structures", "MT", "gov", "apinya", ("malee",),
        "National Protein Initiative", tax_id="0994000158378",
    ),
    Project(
        "siamseed", "Seed selection", "EXT", "private", "darin", (),
        "Siam Seed Co., Ltd.", tax_id="0105536000313", po_number="SS-26-0077",
    ),
    Project("pi_kamon", "Quantum chemistry", "SC", "", "kamon", ("anan",)),
    Project("eg_robots", "Walking robots", "EG", "mu", "kanya", ("prasert",)),
)  # fmt: skip
"""`tier` is empty where the finance office has not decided: its jobs wait as unpriced."""

PERSONAL = ("prasert", "mu")
"""Who has a personal project for jobs without a Slurm account, and its tier."""


def logins() -> str:
    """Return the list of logins that is shown when the demo starts."""
    shown = [person for person in PEOPLE if person.password]
    name = max(len(person.username) for person in shown)
    password = max(len(person.password) for person in shown)
    lines = [f"  {'user':<{name}}  {'password':<{password}}"]
    lines += [f"  {p.username:<{name}}  {p.password:<{password}}  {p.note}" for p in shown]
    return "\n".join(["Demo logins", *lines])
