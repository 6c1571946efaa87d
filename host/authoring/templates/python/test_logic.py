"""Tests of the rules without a component: PYTHONPATH=sdk python3 -m unittest. A debugger can step through them."""

import unittest

from hotlist_testing import TestList

from logic import TodoListLogic


class TestRules(unittest.TestCase):
    def test_a_fourth_urgent_entry_is_refused(self):
        rules = TestList.of(TodoListLogic)
        for title in ("Roof", "Door", "Window"):
            self.assertIsNone(rules.add(title, fields={"urgent": True}))
        self.assertEqual(rules.add("Cellar", fields={"urgent": True}).code, "too-urgent")
        self.assertIsNone(rules.add("Cellar"))

    def test_calming_down_leaves_nothing_urgent(self):
        rules = TestList.of(TodoListLogic).with_entry("Roof", fields={"urgent": True}).with_entry("Door")
        self.assertIsNone(rules.command("calm-down"))
        self.assertEqual(rules.view("urgent"), [("urgent", []), ("other", [1, 2])])


if __name__ == "__main__":
    unittest.main()
