.PHONY: clean help
clean:
	rm -rf $(B)
