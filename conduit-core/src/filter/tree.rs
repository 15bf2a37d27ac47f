//! The fields of all rules as one tree of names, with what it takes to decide them in one pass.

use super::bits::Bits;
use super::expand::Rule;
use super::leaf::Leaf;
use super::parse::{Field, Image};
use super::scan::{Name, head_of};
use super::text::{Text, Unescaped};

/// Tells the fields of all rules apart by a number each: a field that stands in three rules has three.
#[derive(Clone, Debug)]
pub(super) struct Tree<B> {
    nodes: Vec<Node<B>>,
    /// For each image, its node, if the pattern names it.
    roots: [Option<usize>; 2],
    /// What each rule needs.
    rules: Vec<B>,
    /// The fields that are content with no value.
    pub(super) optional: B,
    /// Those of them that are content with nothing else.
    pub(super) absent: B,
}

/// A name of a path.
#[derive(Clone, Debug)]
pub(super) struct Node<B> {
    edges: Vec<Edge>,
    /// The bytes that the names of the edges begin with.
    firsts: [u64; 4],
    /// One bit for the head of each edge: what has another bit is no edge.
    heads: u64,
    /// What is asked of a value here.
    pub(super) tests: Vec<Test<B>>,
    /// Whether a test needs the values of numbers.
    pub(super) compares_numbers: bool,
    /// All fields here.
    pub(super) own: B,
    /// All fields here and below.
    pub(super) cover: B,
    /// The rules with more than one field here and below: in an array, all must be content with the same element.
    pub(super) shared: Vec<Shared<B>>,
    /// All fields of those.
    pub(super) shared_fields: B,
}

#[derive(Clone, Debug)]
struct Edge {
    head: u64,
    name: Box<[u8]>,
    target: usize,
}

/// The fields that one written leaf stands for.
#[derive(Clone, Debug)]
pub(super) struct Test<B> {
    pub(super) leaf: Leaf,
    pub(super) fields: B,
}

/// One rule's fields at a node and below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<B> {
    pub(super) own: B,
    pub(super) below: B,
}

impl<B: Bits> Default for Node<B> {
    fn default() -> Self {
        Self {
            edges: Vec::new(),
            firsts: [0; 4],
            heads: 0,
            tests: Vec::new(),
            compares_numbers: false,
            own: B::default(),
            cover: B::default(),
            shared: Vec::new(),
            shared_fields: B::default(),
        }
    }
}

/// One of 64 bits for a head, the same for the same head.
fn one_bit_of(head: u64) -> u64 {
    // Any odd number that spreads: the golden ratio.
    1 << (head.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58)
}

impl<B> Node<B> {
    /// Whether the pattern asks for anything within an object here.
    pub(super) fn has_names(&self) -> bool {
        !self.edges.is_empty()
    }
}

/// Where a member's name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// To a child.
    Child(usize),
    /// Further down: the name has dots.
    Descendant(usize),
}

impl<B: Bits> Tree<B> {
    /// Builds the tree of `rules`, which together have no more fields than `B` has room for.
    pub(super) fn new(rules: &[Rule], fields: &[Field]) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            roots: [None; 2],
            rules: Vec::new(),
            optional: B::default(),
            absent: B::default(),
        };
        let mut paths: Vec<(Vec<usize>, B, usize)> = Vec::new();
        let mut tests: Vec<(usize, usize, B)> = Vec::new();
        for (rule, numbers) in rules.iter().enumerate() {
            let mut needed = B::default();
            for &number in numbers {
                let (field, bit) = (&fields[number], B::of(paths.len()));
                needed = needed.or(bit);
                if field.leaf.takes_absence() {
                    tree.optional = tree.optional.or(bit);
                    if !field.leaf.takes_values() {
                        tree.absent = tree.absent.or(bit);
                    }
                }
                let path = tree.insert(field);
                let node = path.last().copied().unwrap_or_default();
                paths.push((path, bit, rule));
                match tests
                    .iter_mut()
                    .find(|(at, test, _)| (*at, *test) == (node, number))
                {
                    Some((_, _, bits)) => *bits = bits.or(bit),
                    None => tests.push((node, number, bit)),
                }
            }
            tree.rules.push(needed);
        }
        for (node, number, bits) in tests {
            let (node, leaf) = (&mut tree.nodes[node], &fields[number].leaf);
            node.compares_numbers |= leaf.compares_numbers();
            node.tests.push(Test {
                leaf: leaf.clone(),
                fields: bits,
            });
        }
        for (path, bit, _) in &paths {
            for &node in path {
                let node = &mut tree.nodes[node];
                node.cover = node.cover.or(*bit);
            }
            if let Some(&node) = path.last() {
                let node = &mut tree.nodes[node];
                node.own = node.own.or(*bit);
            }
        }
        tree.share();
        tree
    }

    /// Makes the nodes of a field's path; returns them.
    fn insert(&mut self, field: &Field) -> Vec<usize> {
        let root = match self.roots[field.image as usize] {
            Some(root) => root,
            None => {
                self.nodes.push(Node::default());
                let root = self.nodes.len() - 1;
                self.roots[field.image as usize] = Some(root);
                root
            }
        };
        let mut path = vec![root];
        let mut at = root;
        for name in &field.names {
            let name = name.as_bytes();
            let known = self.nodes[at].edges.iter().find(|edge| &*edge.name == name);
            at = match known {
                Some(edge) => edge.target,
                None => {
                    self.nodes.push(Node::default());
                    let target = self.nodes.len() - 1;
                    let node = &mut self.nodes[at];
                    // An empty name is followed by a dot, or by nothing.
                    let first = name.first().copied().unwrap_or(b'.');
                    node.firsts[usize::from(first) / 64] |= 1 << (first % 64);
                    node.heads |= one_bit_of(head_of(name));
                    node.edges.push(Edge {
                        head: head_of(name),
                        name: name.into(),
                        target,
                    });
                    target
                }
            };
            path.push(at);
        }
        path
    }

    /// Finds out which rules have to find one element for several fields. A field that only absence contents is content
    /// with the whole array or not at all: elements are not asked about it.
    fn share(&mut self) {
        for node in &mut self.nodes {
            for rule in &self.rules {
                let all = node.cover.and(*rule).without(self.absent);
                let own = all.and(node.own);
                let below = all.without(own);
                if all.count() > 1 && !below.is_empty() {
                    node.shared.push(Shared { own, below });
                    node.shared_fields = node.shared_fields.or(all);
                }
            }
        }
    }

    pub(super) fn root(&self, image: Image) -> Option<&Node<B>> {
        self.roots[image as usize].map(|root| &self.nodes[root])
    }

    pub(super) fn node(&self, number: usize) -> &Node<B> {
        &self.nodes[number]
    }

    /// Whether a rule has all that it needs.
    pub(super) fn is_met(&self, content: B) -> bool {
        self.rules.iter().any(|needed| content.has_all_of(*needed))
    }

    /// Whether each rule needs one of these fields.
    #[inline(always)]
    pub(super) fn all_need_any(&self, fields: B) -> bool {
        self.rules.iter().all(|needed| needed.meets(fields))
    }

    /// Whether a rule has all that it needs of the new image.
    pub(super) fn can_be_met(&self, content: B) -> bool {
        let known = self.root(Image::New).map(|root| root.cover).unwrap_or_default();
        self.rules
            .iter()
            .any(|needed| content.has_all_of(needed.and(known)))
    }

    /// Where a member's name leads from `node`, if the pattern asks for it.
    #[inline(always)]
    pub(super) fn find(&self, node: &Node<B>, name: Name<'_>) -> Option<Found> {
        let Text::Plain(raw) = name.text else {
            return self.find_escaped(node, name.text);
        };
        let first = raw.first().copied().unwrap_or(b'.');
        if node.firsts[usize::from(first) / 64] >> (first % 64) & 1 == 0 {
            return None;
        }
        if node.heads & one_bit_of(name.head) != 0 {
            let same = |edge: &&Edge| {
                edge.head == name.head
                    && edge.name.len() == raw.len()
                    && (raw.len() <= 8 || edge.name.get(8..) == raw.get(8..))
            };
            if let Some(edge) = node.edges.iter().find(same) {
                return Some(Found::Child(edge.target));
            }
        }
        if !raw.contains(&b'.') {
            return None;
        }
        self.find_dotted(node, raw)
    }

    /// Of a name with dots, the part before one is an edge, and what follows leads on.
    #[cold]
    fn find_dotted(&self, node: &Node<B>, raw: &[u8]) -> Option<Found> {
        let start = |edge: &&Edge| raw.get(edge.name.len()) == Some(&b'.') && raw.starts_with(&edge.name);
        let edge = node.edges.iter().find(start)?;
        let rest = raw.get(edge.name.len() + 1..)?;
        self.descend(edge.target, rest.iter().copied())
            .map(Found::Descendant)
    }

    #[cold]
    fn find_escaped(&self, node: &Node<B>, name: Text<'_>) -> Option<Found> {
        let (Text::Plain(raw) | Text::Escaped(raw)) = name;
        for edge in &node.edges {
            let mut rest = Unescaped::new(raw);
            if !edge.name.iter().all(|&byte| rest.next() == Some(byte)) {
                continue;
            }
            match rest.next() {
                None => return Some(Found::Child(edge.target)),
                Some(b'.') => return self.descend(edge.target, rest).map(Found::Descendant),
                Some(_) => {}
            }
        }
        None
    }

    /// Follows the names in `rest`, which dots part.
    fn descend(&self, mut at: usize, mut rest: impl Iterator<Item = u8> + Clone) -> Option<usize> {
        'names: loop {
            for edge in &self.nodes[at].edges {
                let mut after = rest.clone();
                if !edge.name.iter().all(|&byte| after.next() == Some(byte)) {
                    continue;
                }
                match after.next() {
                    None => return Some(edge.target),
                    Some(b'.') => {
                        (at, rest) = (edge.target, after);
                        continue 'names;
                    }
                    Some(_) => {}
                }
            }
            return None;
        }
    }
}
