import uuid

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

import receipts.models.files


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '__first__'),
        ('receipts', '0001_tables'),
    ]

    operations = [
        migrations.CreateModel(
            name='Withholding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(blank=True, max_length=200, verbose_name='reason')),
                ('credit_note', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='receipts.receipt', verbose_name='credit note')),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='withholdings', to='receipts.receipt', verbose_name='receipt')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='amount withheld')),
                ('percent', models.DecimalField(decimal_places=3, max_digits=6, verbose_name='rate, %')),
                ('certificate', models.CharField(max_length=64, verbose_name='certificate number')),
                ('day', models.DateField(verbose_name='day of the certificate')),
                ('reverses', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversal', to='payments.withholding', verbose_name='takes back')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='recorded by')),
                ('recorded_at', models.DateTimeField(auto_now_add=True, verbose_name='recorded')),
            ],
            options={
                'verbose_name': 'tax withheld',
                'verbose_name_plural': 'tax withheld',
                'ordering': ('-id',),
                'permissions': (('take_back_withholding', 'Can take back tax recorded as withheld'),),
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('amount__gt', 0), ('recorded_by__isnull', False), ('reverses', None), ('credit_note', None), ('reason', '')), models.Q(('amount__lt', 0), ('reverses__isnull', False), models.Q(models.Q(('credit_note', None), models.Q(('reason', ''), _negated=True)), models.Q(('credit_note__isnull', False), ('reason', '')), _connector='OR')), _connector='OR'), name='withholding_reversal_has_reason'), models.CheckConstraint(condition=models.Q(('amount__gt', -100000000000000), ('amount__lt', 100000000000000), ('percent__gt', 0), ('percent__lt', 100), models.Q(('certificate', ''), _negated=True)), name='withholding_has_certificate')],
            },
        ),
        migrations.CreateModel(
            name='InboundEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=32, verbose_name='provider')),
                ('external_event_id', models.CharField(max_length=255, verbose_name="provider's event id")),
                ('kind', models.CharField(max_length=32, verbose_name='kind')),
                ('external_payment_id', models.CharField(blank=True, max_length=255, verbose_name="provider's payment id")),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, null=True, verbose_name='amount')),
                ('currency', models.CharField(blank=True, max_length=3, verbose_name='currency')),
                ('occurred_at', models.DateTimeField(verbose_name='happened')),
                ('body', models.TextField(verbose_name='message as it came')),
                ('body_sha256', models.CharField(max_length=64, verbose_name='SHA-256')),
                ('received_at', models.DateTimeField(auto_now_add=True, verbose_name='received')),
                ('outcome', models.CharField(choices=[('received', 'Received'), ('applied', 'Applied'), ('mismatch', 'Mismatch'), ('noted', 'Noted')], default='received', max_length=10, verbose_name='outcome')),
                ('reason', models.CharField(blank=True, choices=[('', '–'), ('unknown_payment', 'No payment has this key'), ('amount', "The amount differs from the receipt's"), ('currency', "The currency differs from the receipt's"), ('already_settled', 'The receipt is paid already'), ('not_payable', 'The receipt is not open for payment')], max_length=32, verbose_name='reason')),
                ('resolved_at', models.DateTimeField(null=True, verbose_name='resolved')),
                ('resolved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='resolved by')),
                ('resolution', models.CharField(blank=True, max_length=500, verbose_name='resolution')),
            ],
            options={
                'verbose_name': 'provider event',
                'verbose_name_plural': 'provider events',
                'ordering': ('-id',),
                'permissions': (('resolve_inboundevent', 'Can resolve mismatched payments'),),
                'indexes': [models.Index(condition=models.Q(('outcome', 'mismatch'), ('resolved_at', None)), fields=['received_at'], name='inbound_event_queue')],
                'constraints': [models.UniqueConstraint(fields=('provider', 'external_event_id'), name='inbound_event_once'), models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'mismatch'), models.Q(('reason', ''), _negated=True)), models.Q(models.Q(('outcome', 'mismatch'), _negated=True), ('reason', '')), _connector='OR'), name='inbound_event_mismatch_has_reason'), models.CheckConstraint(condition=models.Q(models.Q(('resolution', ''), ('resolved_at', None)), models.Q(('outcome', 'mismatch'), ('resolved_at__isnull', False), models.Q(('resolution', ''), _negated=True)), _connector='OR'), name='inbound_event_resolution'), models.CheckConstraint(condition=models.Q(('amount', None), models.Q(('amount__gte', 0), ('amount__lt', 100000000000000)), _connector='OR'), name='inbound_event_amount')],
            },
        ),
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='receipts.receipt', verbose_name='receipt')),
                ('provider', models.CharField(max_length=32, verbose_name='provider')),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('succeeded', 'Succeeded'), ('failed', 'Failed')], default='pending', max_length=10, verbose_name='status')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='amount')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('external_id', models.CharField(blank=True, max_length=255, verbose_name="provider's key")),
                ('checkout_url', models.URLField(blank=True, max_length=1000, verbose_name='checkout page')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('settled_by', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='settles', to='payments.inboundevent', verbose_name='settled by event')),
                ('settled_at', models.DateTimeField(null=True, verbose_name='settled')),
            ],
            options={
                'verbose_name': 'payment',
                'verbose_name_plural': 'payments',
                'ordering': ('-id',),
                'permissions': (('record_transfer', 'Can record bank transfers'),),
                'constraints': [models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('provider', 'external_id'), name='payment_external_once'), models.UniqueConstraint(condition=models.Q(('status', 'pending')), fields=('receipt', 'provider'), name='payment_one_pending'), models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('amount__lt', 100000000000000)), name='payment_amount_in_range'), models.CheckConstraint(condition=models.Q(models.Q(('settled_at__isnull', False), ('settled_by__isnull', False), ('status', 'succeeded')), models.Q(models.Q(('status', 'succeeded'), _negated=True), ('settled_at', None), ('settled_by', None)), _connector='OR'), name='payment_settled_by_event')],
            },
        ),
        migrations.CreateModel(
            name='Allocation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='payments.payment', verbose_name='payment')),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='receipts.receipt', verbose_name='receipt')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='amount')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'allocation',
                'verbose_name_plural': 'allocations',
                'ordering': ('id',),
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', -100000000000000), ('amount__lt', 100000000000000), models.Q(('amount', 0), _negated=True)), name='allocation_amount_in_range')],
            },
        ),
        migrations.CreateModel(
            name='Refund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='payments.payment', verbose_name='payment')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='amount')),
                ('bounced', models.BooleanField(default=False, verbose_name='taken back by the bank')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('status', models.CharField(choices=[('requested', 'To be approved'), ('approved', 'To be paid out'), ('paid_out', 'Paid out'), ('rejected', 'Rejected')], default='requested', max_length=10, verbose_name='status')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='requested by')),
                ('requested_at', models.DateTimeField(auto_now_add=True, verbose_name='requested')),
                ('approved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('approved_at', models.DateTimeField(null=True, verbose_name='approved')),
                ('rejected_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='rejected by')),
                ('rejected_at', models.DateTimeField(null=True, verbose_name='rejected')),
                ('rejected_because', models.CharField(blank=True, max_length=200, verbose_name='reason of the rejection')),
                ('paid_out_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='paid out by')),
                ('done_at', models.DateTimeField(null=True, verbose_name='paid out')),
                ('reference', models.CharField(blank=True, max_length=200, verbose_name="bank's reference")),
            ],
            options={
                'verbose_name': 'refund',
                'verbose_name_plural': 'refunds',
                'ordering': ('-id',),
                'permissions': (('request_refund', 'Can ask for refunds'), ('approve_refund', 'Can approve refunds that others ask for')),
                'constraints': [models.UniqueConstraint(condition=models.Q(('bounced', True), models.Q(('status', 'rejected'), _negated=True)), fields=('payment',), name='refund_bounces_once'), models.CheckConstraint(condition=models.Q(('bounced', False), models.Q(('status', 'approved'), _negated=True), _connector='OR'), name='refund_bounced_at_once'), models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('amount__lt', 100000000000000), models.Q(('reason', ''), _negated=True)), name='refund_amount_and_reason'), models.CheckConstraint(condition=models.Q(('approved_by', None), models.Q(('approved_by', models.F('requested_by')), _negated=True), _connector='OR'), name='refund_second_person', violation_error_message='Whoever asks for a refund does not approve it.'), models.CheckConstraint(condition=models.Q(models.Q(('approved_at', None), ('done_at', None), ('rejected_at', None), ('status', 'requested')), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('done_at', None), ('rejected_at', None), ('status', 'approved')), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('done_at__isnull', False), ('rejected_at', None), ('status', 'paid_out'), models.Q(('reference', ''), _negated=True)), models.Q(('done_at', None), ('rejected_at__isnull', False), ('status', 'rejected'), models.Q(('rejected_because', ''), _negated=True)), _connector='OR'), name='refund_steps')],
            },
        ),
        migrations.CreateModel(
            name='OfficialReceipt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='official_receipts', to='receipts.receipt', verbose_name='receipt')),
                ('kind', models.CharField(choices=[('receipt', 'Official receipt'), ('receipt_tax_invoice', 'Official receipt / tax invoice')], max_length=20, verbose_name='kind')),
                ('allocation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='official_receipts', to='payments.allocation')),
                ('withholding', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='official_receipts', to='payments.withholding')),
                ('replaces', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='payments.officialreceipt', verbose_name='replaces')),
                ('series', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='official_receipts', to='receipts.series')),
                ('sequence', models.PositiveIntegerField(verbose_name='number in series')),
                ('number', models.CharField(max_length=64, unique=True, verbose_name='number')),
                ('issued_at', models.DateTimeField(verbose_name='issued')),
                ('paid_on', models.DateField(verbose_name='day of payment')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='amount')),
                ('withheld', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='tax withheld')),
                ('net_amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='net')),
                ('tax_amount', models.DecimalField(decimal_places=4, max_digits=18, verbose_name='tax')),
                ('content', models.JSONField(verbose_name='content')),
                ('sha256', models.CharField(max_length=64, verbose_name='SHA-256 of the content')),
                ('verify_token', models.CharField(editable=False, max_length=43, unique=True)),
            ],
            options={
                'verbose_name': 'official receipt',
                'verbose_name_plural': 'official receipts',
                'ordering': ('-id',),
                'constraints': [models.UniqueConstraint(fields=('series', 'sequence'), name='official_receipt_number_once'), models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('amount__lt', 100000000000000), ('withheld__gte', 0), ('withheld__lte', models.F('amount')), ('amount', django.db.models.expressions.CombinedExpression(models.F('net_amount'), '+', models.F('tax_amount')))), name='official_receipt_amounts'), models.CheckConstraint(condition=models.Q(('allocation__isnull', False), ('withholding__isnull', False), _connector='OR'), name='official_receipt_of_an_act'), models.CheckConstraint(condition=models.Q(('sha256__regex', '^[0-9a-f]{64}$'), models.Q(('verify_token', ''), _negated=True)), name='official_receipt_has_hash')],
            },
        ),
        migrations.CreateModel(
            name='OfficialFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('official', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='payments.officialreceipt', verbose_name='document')),
                ('language', models.CharField(choices=[('en', 'English'), ('th', 'ไทย'), ('both', 'Both')], max_length=4, verbose_name='language')),
                ('is_copy', models.BooleanField(default=False, verbose_name='copy')),
                ('content', models.BinaryField(verbose_name='content')),
                ('sha256', models.CharField(max_length=64, verbose_name='SHA-256')),
                ('renderer', models.CharField(max_length=64, verbose_name='rendered by')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'rendered document',
                'verbose_name_plural': 'rendered documents',
                'ordering': ('official', 'language', 'is_copy'),
                'constraints': [models.UniqueConstraint(fields=('official', 'language', 'is_copy'), name='official_file_once'), models.CheckConstraint(condition=models.Q(('language__in', ('en', 'th', 'both'))), name='official_file_language'), models.CheckConstraint(condition=models.Q(('sha256', receipts.models.files.Digest(models.F('content')))), name='official_file_digest')],
            },
        ),
        migrations.CreateModel(
            name='OfficialCancellation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(blank=True, max_length=200, verbose_name='reason')),
                ('credit_note', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='receipts.receipt', verbose_name='credit note')),
                ('official', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='cancellation', to='payments.officialreceipt', verbose_name='document')),
                ('cancelled_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='cancelled by')),
                ('cancelled_at', models.DateTimeField(auto_now_add=True, verbose_name='cancelled')),
            ],
            options={
                'verbose_name': 'cancelled official receipt',
                'verbose_name_plural': 'cancelled official receipts',
                'ordering': ('-id',),
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('credit_note', None), models.Q(('reason', ''), _negated=True)), models.Q(('credit_note__isnull', False), ('reason', '')), _connector='OR'), name='official_cancellation_has_reason')],
            },
        ),
        migrations.AddField(
            model_name='InboundEvent',
            name='payment',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='payments.payment', verbose_name='payment'),
        ),
    ]
