//! What the nodes of a cluster say of each other, and what is to be believed of it.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use tokio::time::Instant;

use super::map::Map;
use super::slot::SLOTS;
use crate::config::Address;

/// The answer of one node to `CLUSTER NODES`.
#[derive(Debug)]
pub(super) struct View {
    nodes: Vec<Node>,
    me: usize,
}

#[derive(Debug)]
struct Node {
    id: String,
    address: Option<Address>,
    is_master: bool,
    /// As far as the one who says this can tell.
    is_reachable: bool,
    epoch: u64,
    slots: Vec<RangeInclusive<u16>>,
}

/// How addresses are taken from what nodes announce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    /// The host of every node, instead of what it announces.
    pub(super) host: Option<&'a str>,
    /// Names rather than numbers, where they are announced: certificates have names.
    pub(super) prefers_names: bool,
}

impl View {
    /// What the node at `asked` answered. None if that is not an answer that can be understood.
    pub(super) fn read(text: &str, asked: &Address, reading: Reading<'_>) -> Option<Self> {
        let mut me = None;
        let mut nodes = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (mut node, flags) = Node::of_line(line, reading)?;
            if flags.split(',').any(|flag| flag == "myself") {
                me = Some(nodes.len());
                node.is_reachable = true;
                node.address.get_or_insert_with(|| asked.clone()); // one that knows no address of its own
            }
            nodes.push(node);
        }
        Some(Self { me: me?, nodes })
    }

    fn me(&self) -> &Node {
        &self.nodes[self.me]
    }

    /// Whether the node that says this is of no cluster, as one that was made anew: it can't tell who else is of none.
    fn is_blank(&self) -> bool {
        self.nodes.len() == 1 && self.me().slots.is_empty()
    }
}

impl Node {
    /// One line, `<id> <address> <flags> <master> <ping> <pong> <epoch> <link> <slot>…`, and its flags.
    fn of_line<'a>(text: &'a str, reading: Reading<'_>) -> Option<(Self, &'a str)> {
        let mut words = text.split_ascii_whitespace();
        let (id, address, flags) = (words.next()?, words.next()?, words.next()?);
        let _master_ping_pong = (words.next()?, words.next()?, words.next()?);
        let (epoch, link) = (words.next()?.parse().ok()?, words.next()?);
        let is = |flag| flags.split(',').any(|one| one == flag);
        let is_failing = is("fail") || is("fail?") || is("noaddr") || is("handshake");
        let node = Self {
            id: id.to_owned(),
            address: address_in(address, reading),
            is_master: is("master"),
            is_reachable: !is_failing && link == "connected",
            epoch,
            slots: words.filter_map(slots_in).collect(),
        };
        Some((node, flags))
    }
}

/// `ip:port@bus-port[,name[,more…]]`
fn address_in(text: &str, reading: Reading<'_>) -> Option<Address> {
    let mut parts = text.split(',');
    let (ip, port) = parts.next()?.split('@').next()?.rsplit_once(':')?;
    let name = parts.next().filter(|name| reading.prefers_names && !name.is_empty() && !name.contains('='));
    let host = reading.host.or(name).unwrap_or(ip);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| Address::Tcp(host.to_owned(), port))
}

/// `7` or `0-5460`; not the slots in brackets, which are only on their way.
fn slots_in(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then_some(first..=last)
}

/// All nodes that any of them knows.
pub(super) fn addresses(views: &[View]) -> Vec<Address> {
    let nodes = views.iter().flat_map(|view| &view.nodes);
    let mut addresses: Vec<Address> = nodes.filter_map(|node| node.address.clone()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Nodes don't agree while a slot moves or a master is replaced: then the highest epoch is right. `CLUSTER SLOTS` and
/// `CLUSTER SHARDS` don't tell it, so that a master that was cut off could not be outvoted.
pub(super) fn map(views: &[View], began: Instant) -> Map {
    let ours: Vec<&View> = views.iter().filter(|view| !is_foreign(view, views)).collect();
    let masters = masters(&claims(ours.iter().copied()));
    let (isolated, in_touch): (Vec<&View>, Vec<&View>) =
        ours.iter().partition(|view| is_isolated(view, &masters));
    let believed = if in_touch.is_empty() { &ours } else { &in_touch };
    let hears_all = linked_to_all(in_touch.iter().copied().filter(|view| masters.contains(&&*view.me().id)));
    let (members, deaf): (Vec<&Node>, Vec<&Node>) =
        in_touch.iter().map(|view| view.me()).partition(|node| hears_all(&node.id));
    let outcasts: Vec<&Node> = isolated
        .iter()
        .copied()
        .chain(views.iter().filter(|view| is_foreign(view, views)))
        .map(View::me)
        .collect();
    let is_outcast = |id: &str| outcasts.iter().any(|node| node.id == id);
    let known = known_addresses(&ours);
    let owner = |claim: &Claim<'_>| {
        known.get(claim.id).filter(|_| !is_outcast(claim.id)).map(|address| (*address).clone())
    };
    let claims = claims(believed.iter().copied());
    let shards = ranges(claims.iter().map(|claim| claim.as_ref().and_then(owner)));
    let addresses = |nodes: &[&Node]| nodes.iter().filter_map(|node| node.address.clone()).collect();
    Map::new(began, shards, addresses(&members), addresses(&[outcasts, deaf].concat()))
}

#[derive(Clone, Copy)]
struct Claim<'a> {
    epoch: u64,
    id: &'a str,
}

/// The best claim to each slot.
fn claims<'a>(views: impl Iterator<Item = &'a View>) -> Vec<Option<Claim<'a>>> {
    let mut claims: Vec<Option<Claim<'_>>> = vec![None; usize::from(SLOTS)];
    for node in views.flat_map(|view| &view.nodes).filter(|node| node.is_master) {
        let claim = Claim { epoch: node.epoch, id: &node.id };
        for slot in node.slots.iter().cloned().flatten() {
            let best = &mut claims[usize::from(slot)];
            if best.is_none_or(|best| best.epoch < claim.epoch) {
                *best = Some(claim);
            }
        }
    }
    claims
}

fn masters<'a>(claims: &[Option<Claim<'a>>]) -> Vec<&'a str> {
    let mut masters: Vec<&str> = claims.iter().flatten().map(|claim| claim.id).collect();
    masters.sort_unstable();
    masters.dedup();
    masters
}

/// Where each node is: one address, whoever says it and by whatever name it was reached, or its channels would move for
/// nothing.
fn known_addresses<'a>(views: &[&'a View]) -> HashMap<&'a str, &'a Address> {
    let mut known: HashMap<&str, &Address> = HashMap::new();
    for node in views.iter().flat_map(|view| &view.nodes) {
        let Some(address) = &node.address else { continue };
        known.entry(&node.id).and_modify(|known| *known = (*known).min(address)).or_insert(address);
    }
    known
}

/// Whether the others know nothing of the node that says this: it was forgotten, or made anew, or is of another cluster.
fn is_foreign(view: &View, views: &[View]) -> bool {
    let me = &view.me().id;
    let mut others = views.iter().filter(|other| other.me().id != *me && !other.is_blank()).peekable();
    let is_known = |other: &View| other.nodes.iter().any(|node| node.id == *me);
    others.peek().is_some() && !others.any(is_known)
}

/// Whether the node that says this is out of touch with most masters. It still answers, and what it does not know by now
/// never reaches it.
fn is_isolated(view: &View, masters: &[&str]) -> bool {
    let is_reachable = |id: &&&str| view.nodes.iter().any(|node| node.id == **id && node.is_reachable);
    let reachable = masters.iter().filter(is_reachable).count();
    reachable * 2 <= masters.len()
}

/// Tells which nodes all of the `masters` have a link to. What is published at a master goes over its own link. While there is
/// none, as for a while after a restart, the node may reach everybody, and answers, and does not hear it.
fn linked_to_all<'a>(masters: impl Iterator<Item = &'a View>) -> impl Fn(&str) -> bool {
    let (mut count, mut links) = (0, HashMap::<&str, usize>::new());
    for master in masters {
        count += 1;
        let linked = master.nodes.iter().filter(|node| node.is_reachable);
        linked.for_each(|node| *links.entry(&node.id).or_default() += 1);
    }
    move |id| links.get(id).copied().unwrap_or(0) == count
}

/// Neighbouring slots of one owner together.
fn ranges(owners: impl Iterator<Item = Option<Address>>) -> Vec<(RangeInclusive<u16>, Address)> {
    let mut ranges: Vec<(RangeInclusive<u16>, Address)> = Vec::new();
    for (slot, owner) in (0..SLOTS).zip(owners) {
        let Some(owner) = owner else { continue };
        match ranges.last_mut() {
            Some((range, last)) if *last == owner && *range.end() + 1 == slot => {
                *range = *range.start()..=slot;
            }
            _ => ranges.push((slot..=slot, owner)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Reading<'_> = Reading { host: None, prefers_names: false };

    fn at(port: u16) -> Address {
        Address::Tcp("10.0.0.1".into(), port)
    }

    /// What the node at `port` says: of each node its name, which is its port, flags, epoch, link and slots.
    fn view(port: u16, nodes: &[(u16, &str, u64, &str, &str)]) -> View {
        let line = |(name, flags, epoch, link, slots): &(u16, &str, u64, &str, &str)| {
            let myself = if *name == port { "myself," } else { "" };
            format!("{name} 10.0.0.1:{name}@1{name} {myself}{flags} - 0 0 {epoch} {link} {slots}\n")
        };
        let text: String = nodes.iter().map(line).collect();
        View::read(&text, &at(port), PLAIN).unwrap()
    }

    /// The owners of the slots 0, 8192 and 16383, and the members.
    fn found(views: &[View]) -> ([Option<u16>; 3], Vec<u16>) {
        let map = map(views, Instant::now());
        let port = |address: &Address| match address {
            Address::Tcp(_, port) => *port,
            Address::Unix(_) => 0,
        };
        let at = |slot: u16| {
            map.shards.iter().find(|(slots, _)| slots.contains(&slot)).map(|(_, owner)| port(owner))
        };
        ([at(0), at(8192), at(16383)], map.members().iter().map(port).collect())
    }

    const A: (u16, &str, u64, &str, &str) = (1, "master", 1, "connected", "0-5460");
    const B: (u16, &str, u64, &str, &str) = (2, "master", 2, "connected", "5461-10922");
    const C: (u16, &str, u64, &str, &str) = (3, "master", 3, "connected", "10923-16383");
    const D: (u16, &str, u64, &str, &str) = (4, "slave", 1, "connected", "");

    #[test]
    fn a_healthy_cluster_is_understood_from_one_node_alone() {
        assert_eq!(found(&[view(4, &[A, B, C, D])]), ([Some(1), Some(2), Some(3)], vec![4]));
    }

    #[test]
    fn the_highest_epoch_wins_over_a_master_that_does_not_know_it_was_replaced() {
        let old = view(1, &[A, B, C, D]);
        let replaced = (4, "master", 7, "connected", "0-5460");
        let failed = (1, "master,fail", 1, "disconnected", "");
        let new = view(2, &[failed, B, C, replaced]);
        assert_eq!(found(&[old, new]).0, [Some(4), Some(2), Some(3)]);
    }

    #[test]
    fn a_node_that_is_cut_off_serves_nothing_and_is_no_member() {
        let lonely = view(
            1,
            &[
                A,
                (2, "master,fail?", 2, "connected", "5461-10922"),
                (3, "master", 3, "disconnected", "10923-16383"),
            ],
        );
        let other = view(2, &[(1, "master,fail?", 1, "connected", "0-5460"), B, C]);
        assert_eq!(found(&[lonely, other]), ([None, Some(2), Some(3)], vec![2]));
    }

    #[test]
    fn a_node_that_the_others_forgot_is_no_member() {
        let forgotten = view(4, &[A, B, C, D]);
        let others = [view(1, &[A, B, C]), view(2, &[A, B, C])];
        let [one, two] = others;
        assert_eq!(found(&[forgotten, one, two]).1, [1, 2]);
    }

    #[test]
    fn a_node_to_which_a_master_has_no_link_is_no_member_and_is_left() {
        let restarted = || view(4, &[A, B, C, D]); // it reaches the others at once
        let lost = (4, "slave", 1, "disconnected", "");
        let views =
            |seen| [view(1, &[A, B, C, D]), view(2, &[A, B, C, seen]), view(3, &[A, B, C, D]), restarted()];
        assert_eq!(found(&views(lost)), ([Some(1), Some(2), Some(3)], vec![1, 2, 3]));
        assert!(map(&views(lost), Instant::now()).is_outcast(&at(4)), "who listens there is told");
        assert!(!map(&views(D), Instant::now()).is_outcast(&at(4)));
        assert_eq!(found(&views(D)).1, [1, 2, 3, 4]);
        let other = (5, "slave", 2, "connected", "");
        let replicas = [view(4, &[A, B, C, D, other]), view(5, &[A, B, C, lost, other])];
        assert_eq!(found(&replicas).1, [4, 5], "at a replica nothing is published");
    }

    #[test]
    fn a_node_that_did_not_answer_is_no_member_and_no_outcast() {
        let map = map(&[view(1, &[A, B, C])], Instant::now());
        assert!(!map.members().contains(&at(2)) && !map.is_outcast(&at(2)));
        let lonely = view(
            2,
            &[
                (1, "master,fail?", 1, "connected", "0-5460"),
                B,
                (3, "master", 3, "disconnected", "10923-16383"),
            ],
        );
        let map = super::map(&[view(1, &[A, B, C]), lonely], Instant::now());
        assert!(map.is_outcast(&at(2)));
    }

    #[test]
    fn a_node_is_at_one_place_by_whatever_name_it_was_reached() {
        let text = "1 10.0.0.1:1@2 myself,master - 0 0 1 connected 0-16383\n";
        let by_name = View::read(text, &Address::Tcp("localhost".into(), 1), PLAIN).unwrap();
        assert_eq!(found(&[by_name]), ([Some(1); 3], vec![1]));
        let nameless = View::read(&text.replace("10.0.0.1", ""), &at(7), PLAIN).unwrap();
        assert_eq!(found(&[nameless]), ([Some(7); 3], vec![7]));
    }

    #[test]
    fn a_node_of_another_cluster_takes_nothing_over() {
        let failed = (4, "slave,fail", 1, "disconnected", "");
        let ours = [view(1, &[A, B, C, failed]), view(2, &[A, B, C, failed])];
        // At the address that a dead node of ours had.
        let text = "44 10.0.0.1:4@14 myself,master - 0 0 99 connected 0-8000\n\
                    45 10.0.0.1:5@15 master - 0 0 98 connected 8001-16383\n";
        let foreign = View::read(text, &at(4), PLAIN).unwrap();
        let [one, two] = ours;
        assert_eq!(found(&[one, two, foreign]), ([Some(1), Some(2), Some(3)], vec![1, 2]));
    }

    #[test]
    fn a_node_that_was_made_anew_does_not_outvote_one_of_the_cluster() {
        let blank = || view(9, &[(9, "master", 0, "connected", "")]);
        assert_eq!(found(&[view(1, &[A, B, C]), blank()]), ([Some(1), Some(2), Some(3)], vec![1]));
        assert!(map(&[view(1, &[A, B, C]), blank()], Instant::now()).is_outcast(&at(9)));
        assert_eq!(found(&[blank(), view(8, &[(8, "master", 0, "connected", "")])]).0, [None; 3]);
    }

    #[test]
    fn slots_on_their_way_belong_to_the_one_who_has_them() {
        let moving = (1, "master", 1, "connected", "0-5460 [5460->-2] 6000");
        let views = [view(1, &[moving, (2, "master", 2, "connected", "5461-5999 6001-10922"), C])];
        assert_eq!(found(&views).0, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn addresses_are_taken_as_they_are_asked_for() {
        let read = |text, host, prefers_names| address_in(text, Reading { host, prefers_names });
        let tcp = |host: &str, port| Some(Address::Tcp(host.into(), port));
        assert_eq!(read("10.0.0.1:7000@17000", None, true), tcp("10.0.0.1", 7000));
        assert_eq!(read("10.0.0.1:7000@17000,node.local", None, true), tcp("node.local", 7000));
        assert_eq!(read("10.0.0.1:7000@17000,node.local", None, false), tcp("10.0.0.1", 7000));
        assert_eq!(read("10.0.0.1:7000@17000,,shard-id=x", None, true), tcp("10.0.0.1", 7000));
        assert_eq!(read("10.0.0.1:7000@17000", Some("seed"), false), tcp("seed", 7000));
        assert_eq!(read("::1:7000@17000", None, false), tcp("::1", 7000));
        assert_eq!(read(":7000@17000", None, false), None);
        assert_eq!(read(":0@0", Some("seed"), false), None);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for text in ["", "nonsense", "1 10.0.0.1:1@2 master - 0 0 1 connected 0-5\n"] {
            assert!(View::read(text, &at(1), PLAIN).is_none(), "{text}");
        }
    }
}
