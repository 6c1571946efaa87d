"""Logic that draws random numbers from every source of Python, and imports a module when no file exists any more."""

import os
import random
import secrets
import uuid
from dataclasses import replace

from hotlist import Logic, current_list, export, put


class Chancy(Logic):
    title = "Chancy"
    version = "1.0.0"

    def add(self, cx, draft):
        if draft.title == "import":
            import colorsys

            return colorsys
        drawn = [
            uuid.uuid4(),
            os.urandom(8).hex(),
            os.urandom(1000).hex()[-16:],
            secrets.token_hex(8),
            random.random(),
            random.SystemRandom().random(),
            random.Random().random(),
        ]
        return put(replace(draft, id=current_list.next_id(), title=" ".join(str(number) for number in drawn)))


TodoListLogic = export(Chancy)
