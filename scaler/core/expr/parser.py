"""From a formula's words to its tree, by operator precedence (Pratt): expr's grammar, its ranks and its oddities.

What a name means is the checker's question, but for one: whether a call is of one of expr's functions, since
a predicate is read differently from a value. A trigger of the same name hides the function.
"""

from collections.abc import Collection

from scaler.core.expr import lexer
from scaler.core.expr.errors import Refusal
from scaler.core.expr.nodes import Binary, Comparison, Conditional, Let, Node, Sequence, Unary, measure
from scaler.core.expr.terms import Terms

__all__ = ["parse"]

_RANKS = (
    (0, ("|",)),
    (10, ("or", "||")),
    (15, ("and", "&&")),
    (20, ("==", "!=", "<", ">", ">=", "<=", "in", "matches", "contains", "startsWith", "endsWith")),
    (25, ("..",)),
    (30, ("+", "-")),
    (60, ("*", "/", "%")),
    (100, ("**", "^")),
    (500, ("??",)),
)
_BINARY = {sign: rank for rank, signs in _RANKS for sign in signs}
_RIGHT = frozenset({"**", "^"})
_COMPARISONS = frozenset({"<", ">", ">=", "<="})
_NEGATED = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})


def parse(source: str, names: Collection[str]) -> Node:
    """The tree of a formula over triggers of these names. Raises Refusal."""
    parser = _Parser(lexer.tokens(source), frozenset(names))
    root = parser.sequence()
    parser.expect("end")
    measure(root)
    return root


class _Parser(Terms):
    def sequence(self) -> Node:
        """Expressions between semicolons."""
        items = [self.expression()]
        while self.take("operator", ";") and self.current.kind != "end":
            items.append(self.expression())
        return items[0] if len(items) == 1 else Sequence(self.count(items[0].at), tuple(items))

    def expression(self, rank: int = 0) -> Node:
        """One expression of operators that bind at least as tightly as `rank`."""
        self.enter()
        if rank == 0 and self.at("operator", "let"):
            node = self._let()
        elif rank == 0 and self.at("operator", "if"):
            node = self._if()
        else:
            node = self._operators(self.primary(), rank)
            if rank == 0:
                node = self._conditional(node)
        self.leave()
        return node

    def _operators(self, left: Node, rank: int) -> Node:
        before = ""
        while self.current.kind == "operator":
            negated = self.at("operator", "not")
            token = self.following if negated else self.current
            if negated and token.value not in _NEGATED:
                raise Refusal(f"{token} after 'not'", token.at, "write not in, not contains or the like")
            binds = _BINARY.get(token.value, -1)
            if binds < rank:
                break
            if negated:
                self.next()
            self.next()
            left = self._operator(left, token, before)
            if negated:
                left = Unary(self.count(token.at), "not", left)
            before = token.value
        return left

    def _operator(self, left: Node, token: lexer.Token, before: str) -> Node:
        """What an operator, just taken, makes of its left side and what follows."""
        sign, binds = token.value, _BINARY[token.value]
        if sign == "|":
            return self.call(self.expect("name"), (left,))
        if before == "??" and sign != "??":
            raise Refusal(f"{token} directly after ??", token.at, "put the part with ?? in parentheses")
        if sign in _COMPARISONS:
            return self._comparison(left, token)
        right = self.expression(binds if sign in _RIGHT else binds + 1)
        return Binary(self.count(token.at), sign, left, right)

    def _comparison(self, left: Node, token: lexer.Token) -> Node:
        """`a < b < c` is `a < b && b < c`."""
        signs, operands = [token.value], [left, self.expression(_BINARY[token.value] + 1)]
        while self.at("operator", *_COMPARISONS):
            signs.append(self.next().value)
            operands.append(self.expression(_BINARY[token.value] + 1))
            self.count(token.at)
        return Comparison(self.count(token.at), tuple(signs), tuple(operands))

    def _let(self) -> Node:
        self.next()
        name = self.expect("name")
        self.expect("operator", "=")
        value = self.expression()
        self.expect("operator", ";")
        return Let(self.count(name.at), name.value, value, self.sequence())

    def _if(self) -> Node:
        token = self.next()
        test = self.expression()
        yes = self._block()
        self.expect("operator", "else")
        no = self.expression() if self.at("operator", "if") else self._block()
        return Conditional(self.count(token.at), test, yes, no)

    def _block(self) -> Node:
        self.expect("bracket", "{")
        node = self.sequence()
        self.expect("bracket", "}")
        return node

    def _conditional(self, node: Node) -> Node:
        while self.at("operator", "?"):
            token = self.next()
            if self.take("operator", ":"):
                node = Conditional(self.count(token.at), node, None, self.expression())
            else:
                yes = self.expression()
                self.expect("operator", ":")
                node = Conditional(self.count(token.at), node, yes, self.expression())
        return node
