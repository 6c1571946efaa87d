//! The modules of a crate and the paths that their code names, read with a real parser.
//!
//! Test code is left out: items under `#[cfg(test)]` and files that are declared there. The parser knows no types, so a
//! method call names nothing. It also expands no macros: in the arguments of one, only paths with `::` are seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The number of a module in its [`Tree`]. The root of the crate is 0.
pub(crate) type ModuleId = usize;

/// The most `use` declarations that a name is followed through.
const MAX_HOPS: usize = 16;

/// One module: a file, or a block inside one.
pub(crate) struct Module {
    /// The file that holds the code of the module.
    pub(crate) file: PathBuf,
    parent: Option<ModuleId>,
    children: BTreeMap<String, ModuleId>,
    items: BTreeSet<String>,
    /// Names that `use` declarations bind, with the paths they stand for. One name may be a module and a function.
    bindings: BTreeMap<String, Vec<Vec<String>>>,
    globs: Vec<Vec<String>>,
    /// The paths that the code names, with their lines.
    paths: Vec<(Vec<String>, usize)>,
}

/// All modules of a crate.
pub(crate) struct Tree {
    /// The modules by their ids.
    pub(crate) modules: Vec<Module>,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// A module itself.
    Module(ModuleId),
    /// An item that this module defines.
    Item(ModuleId),
}

impl Target {
    /// The module that the target is or lies in.
    pub(crate) fn module(self) -> ModuleId {
        match self {
            Self::Module(id) | Self::Item(id) => id,
        }
    }
}

/// A path in the code of a module.
pub(crate) struct Named<'a> {
    /// The module whose code names the path.
    pub(crate) from: ModuleId,
    /// The segments of the path.
    pub(crate) path: &'a [String],
    /// The line in the file of the module.
    pub(crate) line: usize,
}

impl Tree {
    /// Reads a crate from its root file. `read` gives the text of a file, or nothing where there is no such file.
    pub(crate) fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut tree = Self { modules: Vec::new() };
        let folder = root.parent().unwrap().to_path_buf();
        tree.add_file(root, None, &folder, read);
        tree
    }

    fn add_file(
        &mut self,
        file: &Path,
        parent: Option<ModuleId>,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> ModuleId {
        let text = read(file).unwrap_or_else(|| panic!("{} cannot be read", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add_module(file, parent, folder, &parsed.items, read)
    }

    fn add_module(
        &mut self,
        file: &Path,
        parent: Option<ModuleId>,
        folder: &Path,
        items: &[syn::Item],
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> ModuleId {
        let id = self.modules.len();
        self.modules.push(Module::new(file, parent));
        for item in items.iter().filter(|item| !is_test_only(attributes(item))) {
            if let syn::Item::Mod(module) = item {
                let name = module.ident.to_string();
                let inner = folder.join(&name);
                let child = match &module.content {
                    Some((_, items)) => self.add_module(file, Some(id), &inner, items, read),
                    None => self.add_file(&folder.join(format!("{name}.rs")), Some(id), &inner, read),
                };
                self.modules[id].children.insert(name, child);
            } else {
                Collector { module: &mut self.modules[id] }.visit_item(item);
            }
        }
        id
    }

    /// Every path that the code names, module by module.
    pub(crate) fn named(&self) -> impl Iterator<Item = Named<'_>> {
        self.modules
            .iter()
            .enumerate()
            .flat_map(|(from, module)| module.paths.iter().map(move |(path, line)| Named { from, path, line: *line }))
    }

    /// The module at the top of the crate that a module lies in, and its name. Nothing for the root itself.
    pub(crate) fn top_module(&self, mut id: ModuleId) -> Option<&str> {
        let mut below = None;
        while let Some(parent) = self.modules[id].parent {
            below = Some((parent, id));
            id = parent;
        }
        let (root, module) = below?;
        self.modules[root].children.iter().find(|(_, child)| **child == module).map(|(name, _)| name.as_str())
    }

    /// What a path in the code of a module leads to, or nothing where it leads out of the crate.
    pub(crate) fn resolve(&self, from: ModuleId, path: &[String]) -> Option<Target> {
        self.follow(from, path, false, 0)
    }

    /// The first segment of a path that leads out of the crate, with local names replaced.
    pub(crate) fn outside<'a>(&'a self, from: ModuleId, path: &'a [String]) -> Option<&'a str> {
        let (mut at, mut path) = (from, path);
        for _ in 0..MAX_HOPS {
            let first = path.first()?.as_str();
            if matches!(first, "crate" | "self" | "super" | "Self") {
                return None;
            }
            let module = &self.modules[at];
            if module.children.contains_key(first) || module.items.contains(first) {
                return None;
            }
            match module.bindings.get(first).and_then(|bound| bound.first()) {
                // `use wasmtime;` binds a name to itself.
                Some(bound) if bound.len() == 1 && bound[0] == first => return Some(first),
                Some(bound) => (at, path) = (at, bound),
                None => return Some(first),
            }
        }
        None
    }

    fn follow(&self, from: ModuleId, path: &[String], module_wanted: bool, hops: usize) -> Option<Target> {
        if hops > MAX_HOPS {
            return None;
        }
        let (mut at, mut rest) = (from, path);
        let mut moved = false;
        while let Some(first) = rest.first() {
            at = match first.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => self.modules[at].parent?,
                _ => break,
            };
            moved = true;
            rest = &rest[1..];
        }
        if rest.is_empty() {
            return moved.then_some(Target::Module(at));
        }
        for (index, name) in rest.iter().enumerate() {
            let last = index + 1 == rest.len();
            match self.lookup(at, name, !last || module_wanted, hops)? {
                Target::Module(next) => at = next,
                // What follows an item is one of its own: a variant, a method, a constant.
                item @ Target::Item(_) => return Some(item),
            }
        }
        Some(Target::Module(at))
    }

    /// A name in a module. Modules and items have names of different kinds, so `decide` may be both.
    fn lookup(&self, at: ModuleId, name: &str, module_wanted: bool, hops: usize) -> Option<Target> {
        let module = &self.modules[at];
        let mut found = Vec::new();
        found.extend(module.items.contains(name).then_some(Target::Item(at)));
        found.extend(module.children.get(name).map(|child| Target::Module(*child)));
        for bound in module.bindings.get(name).into_iter().flatten() {
            // `use name::…` in a module that binds `name` would follow itself.
            if bound.first().is_none_or(|first| first != name) {
                found.extend(self.follow(at, bound, module_wanted, hops + 1));
            }
        }
        for glob in &module.globs {
            if let Some(Target::Module(inner)) = self.follow(at, glob, true, hops + 1)
                && inner != at
                && hops < MAX_HOPS
            {
                found.extend(self.lookup(inner, name, module_wanted, hops + 1));
            }
        }
        let wanted = |target: &Target| matches!(target, Target::Module(_)) == module_wanted;
        found.iter().copied().find(wanted).or_else(|| found.first().copied())
    }
}

impl Module {
    fn new(file: &Path, parent: Option<ModuleId>) -> Self {
        Self {
            file: file.to_path_buf(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            bindings: BTreeMap::new(),
            globs: Vec::new(),
            paths: Vec::new(),
        }
    }
}

/// Takes the names and paths out of a module's items.
struct Collector<'a> {
    module: &'a mut Module,
}

impl Collector<'_> {
    fn bind(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>, is_export: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.bind(&path.tree, prefix, is_export);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.bind(tree, prefix, is_export);
                }
            }
            syn::UseTree::Glob(glob) => {
                self.module.globs.push(prefix.clone());
                if !is_export {
                    self.module.paths.push((prefix.clone(), glob.star_token.span().start().line));
                }
            }
            syn::UseTree::Name(name) => self.bind_name(&name.ident, &name.ident, prefix, is_export),
            syn::UseTree::Rename(rename) => self.bind_name(&rename.ident, &rename.rename, prefix, is_export),
        }
    }

    fn bind_name(&mut self, name: &syn::Ident, bound: &syn::Ident, prefix: &[String], is_export: bool) {
        let mut path = prefix.to_vec();
        let mut bound = bound.to_string();
        if name == "self" {
            if bound == "self" {
                bound = path.last().unwrap().clone();
            }
        } else {
            path.push(name.to_string());
        }
        if !is_export {
            self.module.paths.push((path.clone(), name.span().start().line));
        }
        self.module.bindings.entry(bound).or_default().push(path);
    }

    /// Paths with `::` among the tokens of a macro or an attribute.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut line) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.push_scanned(&mut path, line);
                    }
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.push_scanned(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.scan(group.stream());
                    }
                }
            }
        }
        self.push_scanned(&mut path, line);
    }

    fn push_scanned(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.module.paths.push((path, line));
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test_only(attributes(item)) {
            return;
        }
        self.module.items.extend(defined(item));
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if !is_test_only(&method.attrs) {
            visit::visit_impl_item_fn(self, method);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_export = !matches!(item.vis, syn::Visibility::Inherited);
        self.bind(&item.tree, &mut Vec::new(), is_export);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // One segment in lower case may be a local variable. An import has been counted where it is declared.
        let is_type = segments[0].starts_with(char::is_uppercase);
        if segments.len() > 1 || is_type {
            self.module.paths.push((segments, path.span().start().line));
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func
            && let Some(name) = function.path.get_ident()
        {
            self.module.paths.push((vec![name.to_string()], name.span().start().line));
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.scan(called.tokens.clone());
        visit::visit_macro(self, called);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone());
        }
    }

    // What a visibility names is a module, and no item of it: `pub(in crate::store)`.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// The name that an item defines in its module.
fn defined(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::TraitAlias(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item is compiled for tests only: `#[test]`, `#[cfg(test)]`, and `#[cfg(any(test, …))]`.
fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
        let tokens: Vec<_> = list.tokens.to_string().split_whitespace().map(str::to_owned).collect();
        attribute.path().is_ident("cfg")
            && !tokens.iter().any(|token| token.contains("not"))
            && tokens.iter().any(|token| token.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test"))
    })
}
