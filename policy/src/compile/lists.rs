//! Lists: checked item by item, sorted, without duplicates.

use std::collections::BTreeMap;

use super::Compiler;
use crate::{
    canonical::List,
    document::{ListKind, is_known_signal},
    limits,
};

impl Compiler<'_> {
    pub(super) fn lists(&mut self) -> BTreeMap<String, List> {
        let document = self.document;
        let mut lists = BTreeMap::new();
        for (name, list) in &document.lists {
            let place = format!("lists.{name}.items");
            if list.items.len() > limits::LIST_ITEMS {
                self.wrong(
                    &place,
                    format!("{} items; at most {} are possible", list.items.len(), limits::LIST_ITEMS),
                );
                continue;
            }
            let sorted = |mut items: Vec<String>| {
                items.sort();
                items.dedup();
                items
            };
            let compiled = match list.kind {
                ListKind::String => List::String(sorted(list.items.clone())),
                ListKind::Wildcard => List::Wildcard(sorted(list.items.clone())),
                ListKind::Cidr => List::Cidr(self.networks(&list.items, &place)),
                ListKind::Country => List::Country(sorted(self.items(
                    &list.items,
                    &place,
                    "a country of two letters such as DE",
                    |item| {
                        let item = item.trim().to_ascii_uppercase();
                        (item.len() == 2 && item.bytes().all(|byte| byte.is_ascii_uppercase()))
                            .then_some(item)
                    },
                ))),
                ListKind::Signal => List::Signal(sorted(self.items(
                    &list.items,
                    &place,
                    "a signal such as SQLI or site.Name",
                    |item| is_known_signal(item).then(|| item.to_owned()),
                ))),
                ListKind::Asn => {
                    let mut numbers = self.items(
                        &list.items,
                        &place,
                        "the number of an autonomous system such as AS64496",
                        |item| item.trim().trim_start_matches("AS").parse::<u32>().ok(),
                    );
                    numbers.sort_unstable();
                    numbers.dedup();
                    List::Asn(numbers)
                }
            };
            lists.insert(name.clone(), compiled);
        }
        lists
    }

    fn items<T>(
        &mut self,
        items: &[String],
        place: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut all = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Some(one) => all.push(one),
                None => self.wrong(&format!("{place}[{index}]"), format!("`{item}` is not {expected}")),
            }
        }
        all
    }
}
