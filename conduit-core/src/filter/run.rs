//! Decides a record: one pass over each image that the pattern names.
//!
//! A field is *content* once a value at its path matched. Fields that several places of a document speak of collect what
//! any of them says, but in an array of objects a rule's fields must be content with the same element: so each element
//! starts with nothing, and leaves what it found only for those rules of which it has all.

use super::bits::Bits;
use super::matcher::Scalar;
use super::number::comparable;
use super::parse::Image;
use super::scan::{MAX_DEPTH, Name, Scan};
use super::tree::{Found, Node, Tree};

impl<B: Bits> Tree<B> {
    /// Whether a record with these images matches. An image that is no JSON, or that nests too deep, matches nothing.
    pub(super) fn matches(&self, new_image: Option<&[u8]>, old_image: Option<&[u8]>) -> bool {
        // At first, a field that absence contents is taken to be absent. That is never too strict, and it is right
        // unless such a field has a value in another element of an array: then its absence is asked for again.
        match self.verdict(new_image, old_image, self.optional) {
            Verdict::Unsure { seen } => {
                let absent = self.absent.or(self.optional.without(seen));
                !matches!(self.verdict(new_image, old_image, absent), Verdict::No)
            }
            verdict => matches!(verdict, Verdict::Yes),
        }
    }

    fn verdict(&self, new_image: Option<&[u8]>, old_image: Option<&[u8]>, absent: B) -> Verdict<B> {
        let mut run = Run::new(self, absent);
        if run.image(Image::New, new_image).is_none() || !self.can_be_met(run.met()) {
            return Verdict::No;
        }
        if run.image(Image::Old, old_image).is_none() || !self.is_met(run.met()) {
            return Verdict::No;
        }
        let doubted = run.seen.and(self.optional).without(self.absent).and(run.assumed);
        if doubted.meets(absent) {
            Verdict::Unsure { seen: run.seen }
        } else {
            Verdict::Yes
        }
    }
}

enum Verdict<B> {
    Yes,
    No,
    /// Yes, if fields were absent that had values in the end.
    Unsure {
        seen: B,
    },
}

struct Run<'p, 'j, B> {
    tree: &'p Tree<B>,
    scan: Scan<'j>,
    /// The fields that are content.
    content: B,
    /// The fields at whose path there was a value.
    seen: B,
    /// The fields that an element may be without.
    absent: B,
    /// The fields that elements were asked about.
    assumed: B,
    /// How often it may still be asked whether a name comes again.
    lookouts: u8,
}

impl<'p, 'j, B: Bits> Run<'p, 'j, B> {
    fn new(tree: &'p Tree<B>, absent: B) -> Self {
        let none = B::default();
        Self {
            tree,
            scan: Scan::new(&[]),
            content: none,
            seen: none,
            absent,
            assumed: none,
            lookouts: 2,
        }
    }

    /// The fields that have what they need, as far as was read.
    fn met(&self) -> B {
        self.content.or(self.tree.optional.without(self.seen))
    }

    fn image(&mut self, image: Image, bytes: Option<&'j [u8]>) -> Option<()> {
        let (Some(root), Some(bytes)) = (self.tree.root(image), bytes) else {
            return Some(());
        };
        self.scan = Scan::new(bytes);
        self.value(root, 0)?;
        self.scan.is_at_end().then_some(())
    }

    #[inline(always)]
    fn value(&mut self, node: &'p Node<B>, depth: usize) -> Option<()> {
        match self.scan.peek()? {
            b'{' => self.object(node, depth),
            b'[' => self.array(node, depth),
            _ if node.tests.is_empty() => self.scan.skip_value(depth),
            first => self.scalar(node, first),
        }
    }

    #[inline(always)]
    fn scalar(&mut self, node: &'p Node<B>, first: u8) -> Option<()> {
        let value = match first {
            b'"' => Scalar::Text(self.scan.string()?),
            b't' => self.scan.literal(b"true").map(|()| Scalar::True)?,
            b'f' => self.scan.literal(b"false").map(|()| Scalar::False)?,
            b'n' => self.scan.literal(b"null").map(|()| Scalar::Null)?,
            _ => {
                let text = self.scan.number()?;
                let number = if node.compares_numbers {
                    comparable(text)
                } else {
                    None
                };
                Scalar::Number(text, number)
            }
        };
        self.seen = self.seen.or(node.own);
        for test in &node.tests {
            if !self.content.has_all_of(test.fields) && test.leaf.matches(value) {
                self.content = self.content.or(test.fields);
            }
        }
        Some(())
    }

    #[inline(never)]
    fn object(&mut self, node: &'p Node<B>, depth: usize) -> Option<()> {
        if !node.has_names() {
            return self.scan.skip_nested(depth);
        }
        if depth >= MAX_DEPTH {
            return None;
        }
        let before = (self.content, self.seen);
        let (mut named, mut dotted) = (B::default(), B::default());
        let mut has_more = self.scan.open(b'}')?;
        while has_more {
            let name = self.scan.name()?;
            match self.tree.find(node, name) {
                None => self.scan.skip_value(depth + 1)?,
                Some(found) => {
                    let (target, said) = match found {
                        Found::Child(target) => (self.tree.node(target), &mut named),
                        Found::Descendant(target) => (self.tree.node(target), &mut dotted),
                    };
                    if said.meets(target.cover) {
                        self.forget(target.cover, before);
                    }
                    *said = said.or(target.cover);
                    self.value(target, depth + 1)?;
                    if depth == 0 && self.is_lost(target.cover, name) {
                        return None;
                    }
                }
            }
            has_more = self.scan.goes_on(b'}')?;
        }
        Some(())
    }

    /// Whether no rule can be met any more, now that a member of the document was read, because the document does not
    /// have that member's name a second time. What is left of it need not be read then.
    #[inline(always)]
    fn is_lost(&mut self, cover: B, name: Name<'_>) -> bool {
        let lost = cover.without(self.met());
        !lost.is_empty() && self.tree.all_need_any(lost) && self.comes_once(name)
    }

    /// Asked a few times only, since it looks at all that is left.
    fn comes_once(&mut self, name: Name<'_>) -> bool {
        if self.lookouts == 0 {
            return false;
        }
        self.lookouts -= 1;
        name.text
            .plain()
            .is_some_and(|raw| self.scan.is_free_of_names_like(raw))
    }

    /// Takes back what a member said whose name comes again.
    #[cold]
    fn forget(&mut self, cover: B, (content, seen): (B, B)) {
        self.content = self.content.without(cover).or(content.and(cover));
        self.seen = self.seen.without(cover).or(seen.and(cover));
    }

    #[inline(never)]
    fn array(&mut self, node: &'p Node<B>, depth: usize) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let mut has_more = self.scan.open(b']')?;
        if node.shared.is_empty() {
            while has_more {
                self.value(node, depth + 1)?;
                has_more = self.scan.goes_on(b']')?;
            }
            return Some(());
        }
        let outer = std::mem::take(&mut self.content);
        let mut kept = B::default();
        while has_more {
            let is_nested = matches!(self.scan.peek()?, b'{' | b'[');
            self.content = B::default();
            self.value(node, depth + 1)?;
            // A plain value is bound to no element: it goes with whichever is chosen.
            kept = kept.or(if is_nested {
                self.of_element(node)
            } else {
                self.content
            });
            has_more = self.scan.goes_on(b']')?;
        }
        self.content = outer.or(kept);
        Some(())
    }

    /// What an element of an array leaves.
    fn of_element(&mut self, node: &Node<B>) -> B {
        self.assumed = self.assumed.or(node.shared_fields);
        let here = self.content.or(self.absent);
        let mut left = self.content.without(node.shared_fields);
        for shared in &node.shared {
            if here.has_all_of(shared.below) {
                left = left.or(self.content.and(shared.own.or(shared.below)));
            }
        }
        left
    }
}
