"""`make golden`: rewrite fixtures/golden/, the values and the audit of each worked example."""

from backproof.reference.article import audit, figures, golden
from backproof.reference.files import write

if __name__ == "__main__":
    for path in figures.shipped().values():
        article = figures.load(path)
        write(golden.file(article), golden.generate(article))
        write(audit.file(article.name), audit.record(article, audit.audit(article)))
