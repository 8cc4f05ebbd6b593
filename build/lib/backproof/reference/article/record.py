"""`make golden`: rewrite fixtures/golden/, the golden values and the audit of the article."""

from backproof.reference.article import audit, figures, golden

if __name__ == "__main__":
    article = figures.load()
    golden.GOLDEN.write_text(golden.generate(article), encoding="utf-8")
    audit.RECORD.write_text(audit.record(audit.audit(article)), encoding="utf-8")
