//! Values of a list that a version does not describe so.

use crate::list::List;
use crate::list::schema::{Description, Schema, check_value};
use crate::list::value::Field;

/// The first value of a migrated list that does not fit the description of its new version, in words for the author.
pub fn first_misfit(list: &List, described: &Description) -> Option<String> {
    let odd = |schemas: &[Schema], field: &Field| check_value(schemas, &field.name, &field.value).err();
    let entries = list.scan(0).flat_map(|entry| entry.fields.iter().map(move |field| (entry.id, field)));
    let of_entry = entries.filter_map(|(id, field)| Some((format!("entry {id}"), odd(&described.fields, field)?)));
    let of_list =
        list.settings().iter().filter_map(|field| Some(("the settings".into(), odd(&described.settings, field)?)));
    of_entry.chain(of_list).next().map(|(place, error)| {
        format!("after migrate, {place} still holds what this version does not describe so: {error}; have migrate change it or take it away")
    })
}
